"""Live models as folders in MLflow's layout, in the safest form that each library has."""
