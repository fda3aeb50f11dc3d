"""What routes need, by role: a line for each path template, with its methods; ``policy`` reads it.

``[/api]`` stands before a path that pages and the API have alike: for both the path and the path below ``/api``.
"""

OPEN = """
GET /healthz
GET /readyz
GET POST /login
GET /login/openid
GET /login/openid/callback
GET /static/{path:path}
POST /v1/control/get-login-details
POST /v1/control/get-auth-tokens
POST /v1/control/{call}
"""
VIEWER = """
GET /
GET [/api]/experiments
GET [/api]/experiments/{experiment_id}
GET [/api]/runs
GET [/api]/runs/compare
GET [/api]/runs/{run_id}
GET [/api]/clients
GET [/api]/clients/{client_id}
GET /server
GET /metrics
GET /docs
GET /openapi.json
GET /account
POST /account/password
POST /account/tokens
POST /account/tokens/{token_id}/revoke
GET POST /account/flwr-login
POST /v1/control/list-runs
POST /v1/control/stream-logs
POST /logout
POST /logout/everywhere
GET /api/me
GET POST /api/tokens
DELETE /api/tokens/{token_id}
GET /api/experiments/{experiment_id}/results.csv
GET /api/experiments/{experiment_id}/results.tex
GET /api/experiments/{experiment_id}/series
GET /api/runs/{run_id}/rounds
GET /api/runs/{run_id}/confusion
GET /api/runs/{run_id}/evaluation
GET /api/runs/{run_id}/statistics
GET /api/runs/{run_id}/statistics.csv
GET /api/runs/{run_id}/metrics
GET /api/runs/{run_id}/metrics.csv
GET /api/runs/{run_id}/series
GET /api/runs/{run_id}/events
GET [/api]/runs/{run_id}/mlflow
GET /api/runs/{run_id}/schema
GET /api/runs/{run_id}/tensorboard
GET /api/events
GET /api/clients/{client_id}/last-failure
GET /api/demo-clients
GET /api/options
GET /api/data
GET [/api]/data/{name}
GET /api/data/{name}/statistics
GET /api/data/{name}/statistics.csv
GET [/api]/apps
GET [/api]/apps/{app_id}
GET [/api]/runs/{run_id}/log
"""
OPERATOR = """
GET /runs/new
GET /experiments/new
POST [/api]/experiments
POST [/api]/experiments/{experiment_id}/pause
POST [/api]/experiments/{experiment_id}/resume
GET POST /experiments/{experiment_id}/cancel
POST [/api]/runs
POST /runs/archive
POST [/api]/runs/import
POST /runs/restore
GET POST /runs/delete
GET POST /runs/{run_id}/try
POST [/api]/runs/{run_id}/rename
GET POST /runs/{run_id}/notes
POST [/api]/runs/{run_id}/pin
POST [/api]/runs/{run_id}/unpin
GET /runs/{run_id}/stop
GET POST /clients/add
POST /clients/add/key
POST /clients/add/{code_id}/revoke
POST [/api]/clients/{client_id}/approve
GET POST /clients/{client_id}/revoke
POST [/api]/clients/{client_id}/leave-out
POST [/api]/clients/{client_id}/let-in
POST /clients/{client_id}/end
POST [/api]/clients/{client_id}/rename
GET /demo-clients/cost
POST /demo-clients
POST /demo-clients/stop
POST /api/experiments/{experiment_id}/cancel
DELETE /api/runs/{run_id}
GET /api/runs/{run_id}/model
GET /api/runs/{run_id}/export
POST /api/runs/{run_id}/note
POST /api/runs/{run_id}/tags
POST /api/runs/{run_id}/archive
POST /api/runs/{run_id}/restore
POST /api/weights
POST /api/clients
GET POST /api/join-codes
POST /api/join-codes/{code_id}/revoke
POST /api/clients/{client_id}/revoke
POST DELETE /api/demo-clients
DELETE /api/demo-clients/{number}
POST [/api]/apps
POST /apps/{app_id}/runs
POST /v1/control/start-run
POST /v1/control/stop-run
GET /api/runs/{run_id}/artifacts
"""
STEERING = "pause continue resume rounds exclude include min_clients wait front stop"
ADMIN = """
GET [/api]/audit
GET /api/audit/verify
GET /api/audit.csv
GET /api/audit.jsonl
GET POST /setup
GET POST /people
POST /people/{user_id}/role
POST /people/{user_id}/password
POST /people/{user_id}/disable
POST /people/{user_id}/enable
GET POST /people/{user_id}/remove
GET POST /notifications
GET POST /notifications/{channel_id}
POST /notifications/{channel_id}/test
POST /notifications/{channel_id}/enable
POST /notifications/{channel_id}/disable
POST /notifications/{channel_id}/remove
GET POST /api/notifications/channels
PATCH DELETE /api/notifications/channels/{channel_id}
POST /api/notifications/channels/{channel_id}/enable
POST /api/notifications/channels/{channel_id}/disable
POST /api/notifications/channels/{channel_id}/test
GET /api/notifications/deliveries
GET POST /api/users
GET DELETE /api/users/{user_id}
POST /api/users/{user_id}/role
POST /api/users/{user_id}/password
POST /api/users/{user_id}/disable
POST /api/users/{user_id}/enable
POST [/api]/apps/{app_id}/approve
POST [/api]/apps/{app_id}/withdraw
POST /apps/{app_id}/delete
DELETE /api/apps/{app_id}
"""
