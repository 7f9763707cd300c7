"""Messages to the receiver of a campaign, signed as Standard Webhooks has it, and sent until they arrive.

signing.py    headers of a message
addresses.py  where a message may go: no address of a private network unless it is configured
sending.py    the messages that wait in the table, sent by any node
"""
