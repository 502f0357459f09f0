package app

import (
	"github.com/fairlead-dev/fairlead/locks"
	"github.com/fairlead-dev/fairlead/locks/lease"
)

// lockKinds are the locks that --leader-elect-lock can name, in the order in which
// they are shown.
var lockKinds = []locks.Kind{
	lease.Kind(),
}
