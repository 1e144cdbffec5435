"""What a question is about besides its own words: files, forwarded messages, an earlier thread.

Owns how it is read, how much of it a prompt holds, and in which form: always as quoted data.
"""
