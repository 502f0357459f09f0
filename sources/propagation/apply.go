package propagation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/client-go/util/csaupgrade"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var (
	// ErrOlder says that the copy is of a newer version, see Version.Older. It is in
	// an error that is a Conflict.
	ErrOlder = errors.New("the copy is newer")
	// ErrForeign says that the object is no copy of the owner's.
	ErrForeign = errors.New("there is an object of this name that is not ours")
)

// Member is how to reach a member; every cluster.Cluster is one.
type Member interface {
	// GetClient returns a client that reads from a cache, or from the API server. What
	// the cache leaves out, such as managed fields, is read from the API server.
	GetClient() client.Client
	// GetAPIReader returns a reader of the API server.
	GetAPIReader() client.Reader
}

// Options say whose copy is written, and what it is made of.
type Options struct {
	// Owner is the field manager of the copies, 1 to 128 bytes. Controllers in
	// different hubs need different ones. Required.
	Owner string
	// Version is what the copy is made of.
	Version Version
}

// ApplyIfNewer makes a copy what it is wanted to be, by server-side apply, unless that
// is older than what is there. want is an apply configuration with apiVersion, kind and
// name. have is an empty object of its type, and holds what was there before
// afterwards: it is empty if that was nothing.
//
// The error is, or wraps, ErrOlder or ErrForeign, an error of the API server's, or of
// the Member's. After a Conflict that is no ErrOlder the copy has changed meanwhile, or
// a field is somebody else's (metav1.CauseTypeFieldManagerConflict).
//
// A copy that is in the cache takes one request in most cases, and three at most.
func ApplyIfNewer(ctx context.Context, m Member, want runtime.ApplyConfiguration, have client.Object, o Options) error {
	u, err := o.wanted(want)
	if err != nil {
		return err
	}
	// A cache that is behind shows less than there is: the API server then refuses.
	if err := read(ctx, m.GetClient(), client.ObjectKeyFromObject(u), have); err != nil {
		return err
	}
	// A cache may hold a part of all objects, and of them.
	if have.GetUID() == "" || len(have.GetManagedFields()) == 0 {
		if err := read(ctx, m.GetAPIReader(), client.ObjectKeyFromObject(u), have); err != nil {
			return err
		}
	}
	if have.GetUID() == "" {
		return o.create(ctx, m.GetClient(), u)
	}
	if err := o.mayReplace(u.GroupVersionKind(), have); err != nil {
		return err
	}
	version, err := o.upgrade(ctx, m.GetClient(), u, have)
	if err != nil {
		return err
	}
	u.SetResourceVersion(version) // refused if it has changed since
	return o.apply(ctx, m.GetClient(), u, have)
}

// wanted returns the copy as it is to be.
func (o *Options) wanted(want runtime.ApplyConfiguration) (*unstructured.Unstructured, error) {
	if o.Owner == "" {
		return nil, errors.New("apply a copy: Options.Owner is required")
	}
	text, err := json.Marshal(want)
	if err != nil {
		return nil, fmt.Errorf("apply a copy: %w", err)
	}
	u := &unstructured.Unstructured{}
	if err := json.Unmarshal(text, &u.Object); err != nil {
		return nil, fmt.Errorf("apply a copy: %w", err)
	}
	if u.GetKind() == "" || u.GetAPIVersion() == "" || u.GetName() == "" {
		return nil, errors.New("apply a copy: apiVersion, kind and name are required")
	}
	annotations := u.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[Annotation] = o.Version.annotation()
	u.SetAnnotations(annotations)
	return u, nil
}

// read fills in an object, and leaves it as it is if there is none.
func read(ctx context.Context, from client.Reader, key client.ObjectKey, into client.Object) error {
	return client.IgnoreNotFound(from.Get(ctx, key, into))
}

// mayReplace says why what is there must not be replaced.
func (o *Options) mayReplace(kind schema.GroupVersionKind, have client.Object) error {
	if !slices.ContainsFunc(have.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool { return f.Manager == o.Owner }) {
		return fmt.Errorf("%s %s: %w", kind.Kind, client.ObjectKeyFromObject(have), ErrForeign)
	}
	v, _ := Read(have)
	if why := o.Version.Older(v); why != "" {
		return older{apierrors.NewConflict(schema.GroupResource{Group: kind.Group, Resource: kind.Kind}, have.GetName(), fmt.Errorf("%w: %s", ErrOlder, why))}
	}
	return nil
}

// older is a Conflict that is ErrOlder too: an error of the API server's wraps none.
type older struct{ *apierrors.StatusError }

func (older) Is(err error) bool { return err == ErrOlder }

// create makes a copy. Server-side apply would also change one that somebody has made
// meanwhile, whatever it is of; a create does not. It then makes its fields applied
// ones, so that what is wanted no more is taken out by the next apply.
func (o *Options) create(ctx context.Context, c client.Client, u *unstructured.Unstructured) error {
	if err := c.Create(ctx, u, client.FieldOwner(o.Owner)); err != nil {
		return err
	}
	_, err := o.upgrade(ctx, c, u, u)
	return err
}

// upgrade makes fields that a create of ours has set applied ones, and returns the
// resourceVersion that the object has then.
func (o *Options) upgrade(ctx context.Context, c client.Client, u *unstructured.Unstructured, have client.Object) (string, error) {
	if !slices.ContainsFunc(have.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager == o.Owner && f.Operation == metav1.ManagedFieldsOperationUpdate
	}) {
		return have.GetResourceVersion(), nil
	}
	patch, err := csaupgrade.UpgradeManagedFieldsPatch(have, sets.New(o.Owner), o.Owner)
	if err != nil || len(patch) == 0 {
		return have.GetResourceVersion(), err
	}
	at := &unstructured.Unstructured{}
	at.SetGroupVersionKind(u.GroupVersionKind())
	at.SetNamespace(have.GetNamespace())
	at.SetName(have.GetName())
	if err := c.Patch(ctx, at, client.RawPatch(types.JSONPatchType, patch)); err != nil { // refused if it has changed since
		return "", err
	}
	return at.GetResourceVersion(), nil
}

// apply applies what is wanted. Whoever has applied a field of the copy has an intent,
// and is not fought; a mere update, as by kubectl edit, is drift.
func (o *Options) apply(ctx context.Context, c client.Client, u *unstructured.Unstructured, have client.Object) error {
	err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u.DeepCopy()), client.FieldOwner(o.Owner))
	if !apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict) ||
		slices.ContainsFunc(have.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
			return f.Operation == metav1.ManagedFieldsOperationApply && f.Manager != o.Owner
		}) {
		return err
	}
	return c.Apply(ctx, client.ApplyConfigurationFromUnstructured(u), client.FieldOwner(o.Owner), client.ForceOwnership)
}
