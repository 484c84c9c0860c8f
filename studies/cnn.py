"""ConvNet of the pruning articles on handwritten digits, MNIST or Fashion-MNIST."""

from sparsesearch import Choice, Float, SearchSpace, Study, Training, Variant, attempts, datasets, maximize, minimize


def build_model():
    from tf_keras import Sequential, layers

    return Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.25),
            layers.Flatten(),
            layers.Dense(256, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


# As published for MNIST.
PUBLISHED = Training(
    epochs=30, batch_size=250, optimizer="adam", loss="sparse_categorical_crossentropy", metrics=("accuracy",)
)

study = Study(
    name="cnn",
    build_model=build_model,
    load_data=datasets.image_classification("digits", size=28),
    # A learning rate above Adam's default: 12 epochs of the digits are only 408 optimizer steps.
    training=Training(
        epochs=12,
        batch_size=32,
        optimizer="adam",
        learning_rate=0.003,
        loss="sparse_categorical_crossentropy",
        metrics=("accuracy",),
    ),
    variants={
        name: Variant(load_data=datasets.image_classification(name, size=28), training=PUBLISHED)
        for name in ("mnist", "fashion_mnist")
    },
    space=SearchSpace(
        schedule=Choice("constant", "polynomial"),
        initial_sparsity=Float(0.0, 0.5),
        final_sparsity=Float(0.7, 0.98),
        begin_fraction=Float(0.0, 0.6),
        power=Float(1, 5),
        frequency=Choice(5, 10, 25, 50),
    ),
    objectives=(maximize("accuracy"), minimize("zipped_tflite_bytes")),
    attempts=(
        attempts.polynomial(0.0, 0.875, begin_fraction=0.2),
        attempts.constant(0.875, begin_fraction=0.2),
    ),
)
