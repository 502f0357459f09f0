package stream

import (
	"bytes"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// identityOf returns what identified asks for, but for the namespace. The strings
// share their memory: they are kept and dropped together.
func identityOf(f *frame) (name ledger.Name, version ledger.Version) {
	if !plain(f.name) || !plain(f.uid) || !plain(f.version) {
		return ledger.Name{Name: unquote(f.name)}, ledger.Version{UID: unquote(f.uid), ResourceVersion: unquote(f.version)}
	}
	var short [128]byte
	all := string(append(append(append(short[:0], f.name...), f.uid...), f.version...))
	n, u := len(f.name), len(f.name)+len(f.uid)
	return ledger.Name{Name: all[:n]}, ledger.Version{UID: all[n:u], ResourceVersion: all[u:]}
}

// refuse returns why the object in f, scanned from b, is not handed on as one of
// r in a namespace (empty: in any): its event would not be what its attributes
// say, or not to all who read it. partial says that metadata were asked for. It
// returns nil for all that an API server sends.
func (r resource) refuse(b []byte, f *frame, namespace string, partial bool) (rejection, error) {
	switch gv := r.gvr.GroupVersion(); {
	case !f.identified():
		return noIdentity, errors.New("an object without a name or a resourceVersion")
	case f.twice != nil:
		return ambiguous, fmt.Errorf("%s has %.40q twice, as some decoders see it", f.who(), unquote(f.twice))
	case f.hasKind && !is(f.kind, r.kind) && !(partial && is(f.kind, partialKind)),
		f.hasAPIVersion && !sameVersion(f.apiVersion, gv) && !(partial && is(f.kind, partialKind)):
		return foreign, fmt.Errorf("%s is of kind %.80q in %.80q, not %q in %q", f.who(), unquote(f.kind), unquote(f.apiVersion), r.kind, gv)
	case namespace != "" && !is(f.namespace, namespace):
		return foreign, fmt.Errorf("%s is not of namespace %q", f.who(), namespace)
	case f.doubtful && !jsontext.Portable(f.without(b, f.metaAt, f.metaAt+len(f.meta))):
		return notPortable, fmt.Errorf("the metadata of %s: %w", f.who(), errNotPortable)
	}
	return 0, nil
}

// sameVersion reports whether a raw apiVersion is gv's.
func sameVersion(raw []byte, gv schema.GroupVersion) bool {
	if !plain(raw) {
		return unquote(raw) == gv.String()
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
func reduce(f *frame, b []byte, tooLong bool) (rejection, error) {
	const alone = "its metadata are passed on alone"
	switch {
	case tooLong:
		return oversized, fmt.Errorf("%s is larger than 16 MiB; %s", f.who(), alone)
	case f.loose:
		return ambiguous, fmt.Errorf("%s has members that some decoders take for its kind, apiVersion or metadata, or too many; %s", f.who(), alone)
	case f.doubtful && !jsontext.Portable(f.without(b, f.objectAt, f.objectAt+len(f.object))):
		return notPortable, fmt.Errorf("%s: %w; %s", f.who(), errNotPortable, alone)
	}
	return 0, nil
}
