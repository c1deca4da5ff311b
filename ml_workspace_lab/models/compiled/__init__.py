"""Models as ONNX graphs that were verified against the models themselves.

Whatever opens a model here runs in a process that scores, or in one of its user's: never in the
server.
"""
