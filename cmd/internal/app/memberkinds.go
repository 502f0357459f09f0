package app

import "github.com/fairlead-dev/fairlead/sources/fleet"

// memberKinds are the sources of members that --clusters can name, in the order in
// which they are shown.
var memberKinds = []fleet.Kind{
	fleet.KubeconfigKind(),
	fleet.DirKind(),
	fleet.SecretsKind(),
	fleet.ClusterProfilesKind(),
}
