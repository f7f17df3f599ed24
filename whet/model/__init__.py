import logging

# PEFT imports bitsandbytes where it is installed, which then reports the absence of a kernel that is not used here.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
