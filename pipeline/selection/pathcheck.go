package selection

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// A path with a mistake in it would not fail: it would name nothing, so that no change
// ever counts, or a value that should not be delivered is. So names are checked where
// they can be: the first one, and those in the metadata. ['name'] is taken as it is.

// identity are the fields that remain in whatever form an object is delivered: they say
// which object it is, and which state of it.
var identity = []path{
	{{key: "apiVersion"}}, {{key: "kind"}}, inMetadata("name"), inMetadata("namespace"), inMetadata("uid"), inMetadata("resourceVersion"),
	inMetadata("creationTimestamp"), inMetadata("deletionTimestamp"),
}

func inMetadata(name string) path { return path{{key: "metadata"}, {key: name}} }

// check returns what is wrong with the names of a path.
func (p path) check() error {
	if p[0].kind == stepIndex || p[0].kind == stepMatch {
		return fmt.Errorf("%s: an object is no list; begin with a field such as spec", p)
	}
	known := slices.Sorted(maps.Keys(fieldTypes["Object"]))
	if first := p[0]; first.kind == stepKey && !first.text && !slices.Contains(known, first.key) {
		return fmt.Errorf("%s: objects have no field %q%s Write [%s] for a field that only custom resources have",
			p, first.key, orStop(didYouMean(first.key, known)), quote(first.key))
	}
	if len(p) == 1 || p[0].kind != stepKey || p[0].key != "metadata" || p[1].kind == stepEach {
		return nil
	}
	known = slices.Sorted(maps.Keys(fieldTypes["ObjectMeta"]))
	switch second := p[1]; {
	case second.key == "managedFields":
		return errors.New("metadata.managedFields is removed before, and its changes never count")
	case second.kind != stepKey || !slices.Contains(known, second.key):
		return fmt.Errorf("%s: metadata has no such field%s", p, didYouMean(second.key, known))
	}
	return nil
}

// covers reports whether the path names the field, or something around it.
func (p path) covers(field path) bool { return len(p) <= len(field) && p.meets(field) }

// meets reports whether the path names the field, or something around it or in it.
func (p path) meets(field path) bool {
	for i := range min(len(p), len(field)) {
		if step := p[i]; step.kind != stepEach && (step.kind != stepKey || step.key != field[i].key) {
			return false
		}
	}
	return true
}

// spares returns an error if the path would take away what identifies an object.
func (p path) spares() error {
	for _, field := range identity {
		if p.covers(field) {
			return fmt.Errorf("%s: %s identifies the object and its state, and is always delivered as it is", p, field)
		}
	}
	return nil
}
