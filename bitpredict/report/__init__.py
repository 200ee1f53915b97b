"""What people see of forecasts, scores and data: charts, tables and the HTML report."""
