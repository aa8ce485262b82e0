"""Text to batches: check, tokenise, sort by length, pack under a token budget."""

from sememe.text.check import HalfPairs as HalfPairs
from sememe.text.check import as_list as as_list
from sememe.text.check import check_pairs as check_pairs
from sememe.text.check import check_texts as check_texts
from sememe.text.check import refuse_tables as refuse_tables
from sememe.text.check import rows_with_text as rows_with_text
from sememe.text.pair_tokenizer import Pair as Pair
from sememe.text.pair_tokenizer import PairTokenizer as PairTokenizer
from sememe.text.passages import sentence_spans as sentence_spans
from sememe.text.passages import sentences as sentences
from sememe.text.passages import split_passages as split_passages
from sememe.text.static_tokenizer import UNKNOWN as UNKNOWN
from sememe.text.static_tokenizer import StaticTokenizer as StaticTokenizer
from sememe.text.tokenizer import Batch as Batch
from sememe.text.tokenizer import Rows as Rows
from sememe.text.tokenizer import Tokenizer as Tokenizer
from sememe.text.tokenizer import Tokens as Tokens
from sememe.text.tokenizer import batches as batches
from sememe.text.tokenizer import pack as pack
