// Package deploy holds what runs Fairlead in a cluster: a Dockerfile, manifests for
// kustomize, and charts for Helm. It contains no code; its tests render manifests and charts,
// hold them to the API's types and to each other, and apply them to real API servers.
//
//	            member cluster                  hub cluster
//	member ──▶ account, rights ──▶ kubeconfig ──▶ Secret of the fleet (made by a command)
//	              │                                   │ mounted
//	   components/member-role         Dockerfile ──▶ base ◀── components/hub-secrets, …
//	                                                  │
//	                                            example/hub: image, flags, rights of an operator
//
// Folders that can be applied: base, which an operator's own kustomization builds upon;
// hub-secrets, hub-clusterprofiles, hub-records, hub-memberclusters and leader-election, which are base
// with the component of that name; member, for member clusters; member-everything, for those that --watch '*'
// follows; voter, for those that also vote for a leader. testdata/before has the manifests of the
// layout before and the chart as it was first, from which upgrades are tried.
//
// charts/fairlead and charts/fairlead-member make the same objects of values: what is tested of
// a folder is tested of a chart with the values that come to it, under the name chart/FOLDER.
//
// What the files guarantee: applying them again, or the next version of them, takes away
// neither what an operator has decided nor what the program has written: they hold no
// Secret, keep the ledger on a claim, and leave flags to be added on top. Fairlead may read
// what it watches and nothing else, runs as no one in particular, without a shell, writes
// only below /var/lib/fairlead, and reaches API servers and DNS only, where the network
// plugin enforces it.
package deploy
