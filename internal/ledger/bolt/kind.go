package bolt

import (
	"context"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/spec"
)

// Kind returns the kind of store that is chosen by bolt:PATH.
func Kind() ledger.StoreKind {
	return ledger.StoreKind{
		Form: spec.Form{
			Scheme: "bolt", Usage: "bolt:PATH", Rest: spec.Literal,
			Summary: "a file, made if nothing is there; a PATH alone is the same",
		},
		Parse: func(v *spec.Value) (*ledger.StoreSpec, error) {
			path := v.Rest
			return &ledger.StoreSpec{
				Identity: path,
				Path:     path,
				Open:     func(context.Context) (ledger.Store, error) { return asStore(Open(path)) },
				OpenExisting: func(_ context.Context, readOnly bool) (ledger.Store, error) {
					return asStore(OpenExisting(path, readOnly))
				},
				Compact: func(ctx context.Context) (before, after int64, err error) { return Compact(ctx, path) },
			}, nil
		},
	}
}

// asStore keeps a nil *Store from being a Store that is not nil.
func asStore(s *Store, err error) (ledger.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
