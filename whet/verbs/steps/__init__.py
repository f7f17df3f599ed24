"""The steps that the verbs are put together from: findings, stages of a tune, the main job."""
