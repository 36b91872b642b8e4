"""ganbench trains GAN variants, scores them and compares them: every number with its seeds, its interval and its protocol."""

__version__ = "0.1.0"
