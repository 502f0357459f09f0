package stream

import (
	"bytes"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/stream/wire"
)

// identityOf returns what identified asks for, but for the namespace. The strings
// share their memory: they are kept and dropped together.
func identityOf(f *wire.Frame) (name ledger.Name, version ledger.Version) {
	if !wire.Plain(f.Name) || !wire.Plain(f.UID) || !wire.Plain(f.Version) {
		return ledger.Name{Name: wire.Unquote(f.Name)}, ledger.Version{UID: wire.Unquote(f.UID), ResourceVersion: wire.Unquote(f.Version)}
	}
	var short [128]byte
	all := string(append(append(append(short[:0], f.Name...), f.UID...), f.Version...))
	n, u := len(f.Name), len(f.Name)+len(f.UID)
	return ledger.Name{Name: all[:n]}, ledger.Version{UID: all[n:u], ResourceVersion: all[u:]}
}

// refuse returns why the object in f, scanned from b, is not handed on as one of
// r in a namespace (empty: in any): its event would not be what its attributes
// say, or not to all who read it. partial says that metadata were asked for. It
// returns nil for all that an API server sends.
func (r resource) refuse(b []byte, f *wire.Frame, namespace string, partial bool) (rejection, error) {
	switch gv := r.gvr.GroupVersion(); {
	case !f.Identified():
		return noIdentity, errors.New("an object without a name or a resourceVersion")
	case f.Twice != nil:
		return ambiguous, fmt.Errorf("%s has %.40q twice, as some decoders see it", f.Who(), wire.Unquote(f.Twice))
	case f.HasKind && !wire.Is(f.Kind, r.kind) && !(partial && wire.Is(f.Kind, wire.PartialKind)),
		f.HasAPIVersion && !sameVersion(f.APIVersion, gv) && !(partial && wire.Is(f.Kind, wire.PartialKind)):
		return foreign, fmt.Errorf("%s is of kind %.80q in %.80q, not %q in %q", f.Who(), wire.Unquote(f.Kind), wire.Unquote(f.APIVersion), r.kind, gv)
	case namespace != "" && !wire.Is(f.Namespace, namespace):
		return foreign, fmt.Errorf("%s is not of namespace %q", f.Who(), namespace)
	case f.Doubtful && !jsontext.Portable(f.Without(b, f.MetaAt, f.MetaAt+len(f.Meta))):
		return notPortable, fmt.Errorf("the metadata of %s: %w", f.Who(), errNotPortable)
	}
	return 0, nil
}

// sameVersion reports whether a raw apiVersion is gv's.
func sameVersion(raw []byte, gv schema.GroupVersion) bool {
	if !wire.Plain(raw) {
		return wire.Unquote(raw) == gv.String()
	}
	group, version, found := bytes.Cut(raw, []byte("/"))
	if !found {
		group, version = nil, raw
	}
	return found == (gv.Group != "") && string(group) == gv.Group && string(version) == gv.Version
}

// reduce returns why only the metadata of an object that is not refused are
// handed on; nil if all of it is. tooLong: b is the start of it. Whoever may write
// objects in a member can bring this about, its API server being honest: it keeps
// neither the object's metadata nor other objects from being followed.
func reduce(f *wire.Frame, b []byte, tooLong bool) (rejection, error) {
	const alone = "its metadata are passed on alone"
	switch {
	case tooLong:
		return oversized, fmt.Errorf("%s is larger than 16 MiB; %s", f.Who(), alone)
	case f.Loose:
		return ambiguous, fmt.Errorf("%s has members that some decoders take for its kind, apiVersion or metadata, or too many; %s", f.Who(), alone)
	case f.Doubtful && !jsontext.Portable(f.Without(b, f.ObjectAt, f.ObjectAt+len(f.Object))):
		return notPortable, fmt.Errorf("%s: %w; %s", f.Who(), errNotPortable, alone)
	}
	return 0, nil
}
