"""ConvNet of the pruning articles on 3,670 photos of flowers in five classes."""

from sparsesearch import Choice, Float, SearchSpace, Study, Training, attempts, datasets, maximize, minimize


def build_model():
    from tf_keras import Sequential, layers

    return Sequential(
        [
            layers.Input((180, 180, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(5),
        ]
    )


study = Study(
    name="flowers",
    build_model=build_model,
    load_data=datasets.class_folders(
        "tf_flowers",
        size=180,
        url="https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
    ),
    training=Training(
        epochs=15,
        batch_size=100,
        optimizer="adam",
        loss="sparse_categorical_crossentropy",
        from_logits=True,
        metrics=("accuracy",),
    ),
    space=SearchSpace(
        schedule=Choice("constant", "polynomial"),
        initial_sparsity=Float(0.0, 0.5),
        final_sparsity=Float(0.5, 0.98),
        begin_fraction=Float(0.0, 0.6),
        power=Float(1, 5),
        frequency=Choice(10, 25, 50),
    ),
    objectives=(maximize("accuracy"), minimize("zipped_tflite_bytes")),
    attempts=attempts.PUBLISHED,
)
