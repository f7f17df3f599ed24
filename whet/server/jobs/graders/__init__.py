"""OpenAI's graders: what gives a number to an answer, in a job of reinforcement and when a client tries one out."""
