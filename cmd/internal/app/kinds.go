package app

import (
	"slices"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/stores"
	"github.com/fairlead-dev/fairlead/internal/spec"
	"github.com/fairlead-dev/fairlead/locks"
	majority "github.com/fairlead-dev/fairlead/locks/clusters"
	"github.com/fairlead-dev/fairlead/locks/consul"
	"github.com/fairlead-dev/fairlead/locks/etcd"
	"github.com/fairlead-dev/fairlead/locks/lease"
	"github.com/fairlead-dev/fairlead/locks/mysql"
	"github.com/fairlead-dev/fairlead/locks/postgres"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/file"
	"github.com/fairlead-dev/fairlead/sinks/kafka"
	"github.com/fairlead-dev/fairlead/sinks/nats"
	"github.com/fairlead-dev/fairlead/sinks/stdout"
	"github.com/fairlead-dev/fairlead/sources/fleet"
)

// What can be chosen by name, in the order in which --help and docs/kinds.md show
// it. A new kind is a folder and a line here; nothing else in the program knows any.

func (o *Options) sinkKinds() sinks.Kinds {
	return slices.Concat(sinks.Kinds{
		stdout.Kind(),
		file.Kind(),
		kafka.Kind(),
		nats.Kind(),
	}, o.Sinks)
}

func (o *Options) storeKinds() ledger.StoreKinds {
	return slices.Concat(stores.Kinds(), o.stores) // those that the library opens as well
}

// tables are the kinds by the flag that chooses one of them.
func (o *Options) tables() map[string]*spec.Table {
	return map[string]*spec.Table{
		"clusters":          fleet.NewTable(o.memberKinds()),
		"sink":              o.sinkKinds().Table(),
		"ledger":            o.storeKinds().Table(),
		"leader-elect-lock": locks.NewTable(lockKinds),
	}
}

// lockKinds are the locks that --leader-elect-lock can name.
var lockKinds = []locks.Kind{
	lease.Kind(),
	etcd.Kind(),
	consul.Kind(),
	postgres.Kind(),
	mysql.Kind(),
	majority.Kind(),
}

func (o *Options) memberKinds() []fleet.Kind {
	return slices.Concat([]fleet.Kind{
		fleet.KubeconfigKind(),
		fleet.DirKind(),
		fleet.SecretsKind(),
		fleet.ClusterProfilesKind(),
	}, o.members)
}
