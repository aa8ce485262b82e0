"""Words that say nothing about a text, in a few languages, and which languages texts are in."""

from collections import Counter
from collections.abc import Iterable

_SHARE = 0.3  # of the hits of the language that has the most
_WORDS = {
    "english": """
    a about after all also am an and any are as at be because been but by can could did do does
    doing for from get go had has have he her him his how i i'd i'll i'm i've if in into is it
    it's its just let like may me more my need no not of off on one or our out please she should
    so some such than that that's the their them then there these they this those to too up us use
    want was we were what what's when where which who why will with would you your
    """,
    "german": """
    aber als am an auch auf aus bei bin bis bitte da das dass dem den der des die dies diese dir
    du durch ein eine einem einen einer eines er es für habe haben hat ich ihr im in ist kann
    kein keine können man mein meine meinem meinen meiner mich mir mit möchte muss nach nicht noch
    nur oder schon sein sich sie sind so über um und uns von vor war warum was wenn werden wie
    wird wir wo wurde zu zum zur
    """,
    "french": """
    ai au aux avec c'est ce ces cette comment dans de des du elle en est et être eu faire fait il
    ils j'ai je la le les leur lui ma mais me mes moi mon n'est ne nous on ont ou où par pas plus
    pour pourquoi puis qu'est que quel quelle qui sa se ses si son sont sur ta te tu un une vos
    votre vous y à été
    """,
    "spanish": """
    a al como con cual cuando de del desde donde el ella en entre era es esta este esto está fue
    ha hasta hay la las le lo los me mi mis muy más no nos o para pero por porque puede puedo que
    quiero qué se ser si sin sobre son su sus sí también te tengo tiene tu un una uno y ya yo cómo
    """,
    "italian": """
    a ai al alla anche che chi ci come con cosa cui da dal del della delle di dove e ed era essere
    gli ha ho i il in io la le lo ma mi mia mio ne nei nel nella non o per perché più posso può
    quale quando questa questo se sei si sono su sua suo ti tra un una uno vi è
    """,
    "portuguese": """
    a ao aos as com como da das de do dos e ela ele em entre era essa esse esta este eu foi há
    isso já mais mas me meu meus minha muito na nas no nos não o os ou para pela pelo por porque
    posso quando que quem qual se sem ser seu sua são também te tem um uma você à é
    """,
    "dutch": """
    aan al als bij dan dat de deze die dit door een en er geen haar had heb hebben heeft het hij
    hoe hun ik in is kan kunnen maar me met mij mijn moet naar niet nog nu of om ook op over te
    tot uit van veel voor waar waarom was wat we wel werd wie wij wil wordt ze zich zijn zo zou
    """,
}
_STOP = {language: frozenset(words.split()) for language, words in _WORDS.items()}


def stop_words(words: Iterable[str]) -> frozenset[str]:
    """The stop words of the languages that lower-case words are in: those whose own are frequent.

    >>> "und" in stop_words("wo ist meine karte und wann kommt sie".split())
    True
    """
    counts = Counter(words)
    hits = {language: sum(counts[word] for word in stop) for language, stop in _STOP.items()}
    most = max(hits.values())
    if most == 0:
        return _STOP["english"]
    return frozenset().union(*(_STOP[each] for each, n in hits.items() if n >= _SHARE * most))
