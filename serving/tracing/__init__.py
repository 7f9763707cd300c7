"""Where the time of a request goes, as OpenTelemetry spans. Nothing is made unless it is exported.

    context.py  the W3C trace context of a request
    spans.py    spans, and where they are sent: nowhere, or by OTLP to a collector
    engine.py   an engine whose speech has spans, with those that its worker has noted

A span holds names, numbers and outcomes. It never holds a text, a variable of a template, a key or a message of an
error, because those may quote what a client wrote.

    POST /v1/audio/speech      from the request to the end of its answer
      speak                    from the request at the engine to its last event
        price                  how long the text takes
        queue                  until the worker began
        text, gpt, sovits      in the worker
      encode                   a piece of sound
    job item                   an item of a job, with `speak` and `encode` below it, in the trace of the request
"""
