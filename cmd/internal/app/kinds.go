package app

import (
	"slices"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sinks/file"
	"github.com/fairlead-dev/fairlead/sinks/stdout"
)

// What can be chosen by name, in the order in which --help and docs/kinds.md show
// it. A new kind is a folder and a line here; nothing else in the program knows any.

func (o *Options) sinkKinds() sinks.Kinds {
	return slices.Concat(sinks.Kinds{
		stdout.Kind(),
		file.Kind(),
	}, o.Sinks)
}

func (o *Options) storeKinds() ledger.StoreKinds {
	return slices.Concat(ledger.StoreKinds{
		bolt.Kind(), // also of a --ledger without a scheme
		ledger.MemoryKind(),
	}, o.stores)
}
