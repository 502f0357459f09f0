package propagation

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// DeleteIfNewer deletes a copy, unless it is of a newer version. have is an empty object
// of its type with its name, and holds what was there before. It asks the API server,
// since a cache may not show what there is. The errors are those of ApplyIfNewer; there
// is none if there is no such object, or an object that is not the owner's.
//
// The copy is gone once gone is true. Until then it has finalizers of others.
func DeleteIfNewer(ctx context.Context, m Member, have client.Object, o Options) (gone bool, err error) {
	if o.Owner == "" {
		return false, errors.New("delete a copy: Options.Owner is required")
	}
	key := client.ObjectKeyFromObject(have)
	kind, err := m.GetClient().GroupVersionKindFor(have)
	if err != nil {
		return false, fmt.Errorf("delete the copy %s: %w", key, err)
	}
	if err := read(ctx, m.GetAPIReader(), key, have); err != nil || have.GetUID() == "" {
		return err == nil, err
	}
	if err := o.mayReplace(kind, have); errors.Is(err, ErrForeign) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	uid, version := have.GetUID(), have.GetResourceVersion()
	if err := client.IgnoreNotFound(m.GetClient().Delete(ctx, have, client.Preconditions{UID: &uid, ResourceVersion: &version})); err != nil {
		return false, err
	}
	left := have.DeepCopyObject().(client.Object) //nolint:forcetypeassert // a copy has its type.
	left.SetUID("")
	if err := read(ctx, m.GetAPIReader(), key, left); err != nil {
		return false, err
	}
	return left.GetUID() != uid, nil
}
