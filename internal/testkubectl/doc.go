// Package testkubectl builds the kubectl that tests do what the pages say with.
//
//	$FAIRLEAD_KUBECTL, or a build in the user's cache ──▶ New(kubeconfig, folders) ──▶ Run(arguments) ──▶ what it prints
//
// Kubectl (Apache-2.0) is built by package testprogram, of the version in servers/kubectl.mod,
// from a main that is that of Kubernetes: by internal/testkubectl/cmd, which make calls. It
// shares its modules' versions with internal/testhelm, so that building both takes little
// longer than one. Nothing of it is linked or shipped. Each [CLI] has a home of its own, so
// that what a user has of kubectl changes nothing. Where there is no kubectl, [New] skips the
// test; with fairleadtest.RequireEnv set it fails.
//
// The functions may be called concurrently.
package testkubectl
