"""Data for studies: three splits, and loaders for well-known images and series.

Loaders look into the folder that the environment variable SPARSESEARCH_DATA names, else they download.
"""

from sparsesearch.datasets.data import Data
from sparsesearch.datasets.images import ClassFolders, ImageClassification, class_folders, image_classification
from sparsesearch.datasets.series import beijing_pm25, windows

__all__ = [
    "ClassFolders",
    "Data",
    "ImageClassification",
    "beijing_pm25",
    "class_folders",
    "image_classification",
    "windows",
]
