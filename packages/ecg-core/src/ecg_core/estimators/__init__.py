"""The toolkit in the words of scikit-learn: encoders as transformers, models as classifiers, for pipelines and grid searches."""
