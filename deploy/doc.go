// Package deploy holds what runs Fairlead in a cluster: a Dockerfile and plain
// manifests. It contains no code; its test holds the files to the API's types and
// to each other.
//
//	member cluster                     hub cluster
//	member/rbac.yaml ──▶ kubeconfig ──▶ kubernetes/fleet-secret.yaml
//	                                        │ mounted
//	                     Dockerfile ──▶ kubernetes/deployment.yaml ◀── rbac.yaml
//	                                        │
//	                                    kubernetes/service.yaml ──▶ metrics, status
//
// hub and leader-election add to that what some flags need.
//
// What the files guarantee: Fairlead may read what it watches and nothing else,
// runs as no one in particular, without a shell, and writes only below
// /var/lib/fairlead. They do not restrict the network, because where members
// and sinks are is not known here.
package deploy
