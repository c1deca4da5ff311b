"""What is kept of the requests to endpoints, and who else is told: samples, exceptions, OTLP."""
