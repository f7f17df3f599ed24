"""The studio's pages on which people say what is right about answers, alone or several at once."""
