// Package testhelm builds the Helm that tests render and install the charts with.
//
//	$FAIRLEAD_HELM, or a build in the user's cache ──▶ Run(dir, arguments) ──▶ what it prints
//
// Helm (Apache-2.0) is built by package testprogram, of the versions in servers/helm.mod and,
// of the major version before, servers/helm3.mod: by internal/testhelm/cmd, which make calls. Nothing of it is linked or shipped. Each call has
// caches and settings of its own, so that what a user has of Helm changes nothing. Where
// there is no Helm, [Require] skips the test; with fairleadtest.RequireEnv set it fails.
//
// The functions may be called concurrently.
package testhelm
