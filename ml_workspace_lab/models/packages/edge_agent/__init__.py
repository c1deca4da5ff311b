"""A device without a container engine that runs what a deployment manifest wants: pulls images,
keeps their processes, and says what became of them."""
