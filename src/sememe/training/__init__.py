"""Train encoders: data, losses, the trainer. Imported on use, for it needs torch."""
