"""Files of finished speech, kept under the sha256 of their bytes: in a folder, or in a bucket of an S3 server.

keys.py       the key of a file, and which keys there can be
objects.py    what a store does, and how one is opened from the setting `serve.storage.url`
folder.py     a folder, which several nodes may share
bucket.py     a bucket of an S3 server, by obstore
signing.py    addresses of a folder's files that are valid for a time
responses.py  a file as an answer: ranges, ETag, conditional requests
routes.py     GET /v1/objects/KEY, which signed addresses lead to
"""
