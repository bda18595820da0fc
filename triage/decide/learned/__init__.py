"""The classifier that learns from a team's own closed reports: TF-IDF and multinomial logistic regression.

It is the extra `learned`: `features`, `report` and `reports` need nothing beyond Python, `model` and `fileformat` need
numpy, `training` needs scikit-learn and `plots` needs Pillow. Workers import `model` only.
"""
