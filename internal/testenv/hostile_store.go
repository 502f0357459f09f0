package testenv

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// store is what a Hostile really has; guarded by its mu.
type store struct {
	version   int // of the newest change
	compacted int // versions before it are not kept
	objects   map[string]map[string]any
	changes   []change
	changed   chan struct{} // closed and replaced
}

type change struct {
	version int
	kind    string // ADDED, MODIFIED or DELETED
	key     string
	object  map[string]any // never modified
}

func newStore() store {
	return store{version: 100, compacted: 100, objects: map[string]map[string]any{}, changed: make(chan struct{})}
}

func keyOf(resource, namespace, name string) string {
	return resource + "/" + namespace + "/" + name
}

// Put creates or replaces an object, and returns its resourceVersion. resource is
// one that Hostile serves; fields are what stands beside apiVersion, kind and
// metadata.
func (h *Hostile) Put(resource, namespace, name string, fields map[string]any) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := slices.IndexFunc(hostileResources, func(r hostileResource) bool { return r.Name == resource })
	if i < 0 {
		panic("a hostile member serves no " + resource)
	}
	key, kind := keyOf(resource, namespace, name), "MODIFIED"
	uid := h.objectUIDLocked()
	if old := h.store.objects[key]; old != nil {
		uid = old["metadata"].(map[string]any)["uid"].(string)
	} else {
		kind = "ADDED"
	}
	object := map[string]any{}
	maps.Copy(object, fields)
	object["apiVersion"], object["kind"] = hostileResources[i].groupVersion(), hostileResources[i].Kind
	object["metadata"] = map[string]any{"namespace": namespace, "name": name, "uid": uid}
	h.store.objects[key] = object
	return h.changeLocked(kind, key, object)
}

// objectUIDLocked returns the UID of the next object: a UUID if the member's is one.
func (h *Hostile) objectUIDLocked() string {
	const uuid, node = 36, 12 // digits of a UUID, and of its last part
	if len(h.uid) == uuid {
		return h.uid[:uuid-node] + fmt.Sprintf("%0*x", node, h.store.version)
	}
	return h.uid + "-" + strconv.Itoa(h.store.version)
}

// Delete deletes an object, and returns the resourceVersion of the deletion, or
// the empty string if there is no such object.
func (h *Hostile) Delete(resource, namespace, name string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	key := keyOf(resource, namespace, name)
	object := maps.Clone(h.store.objects[key])
	if object == nil {
		return ""
	}
	delete(h.store.objects, key)
	object["metadata"] = maps.Clone(object["metadata"].(map[string]any))
	return h.changeLocked("DELETED", key, object)
}

// Compact forgets what has changed: older watches and pages get a 410.
func (h *Hostile) Compact() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.store.changes, h.store.compacted = nil, h.store.version
}

func (h *Hostile) changeLocked(kind, key string, object map[string]any) string {
	s := &h.store
	s.version++
	version := strconv.Itoa(s.version)
	object["metadata"].(map[string]any)["resourceVersion"] = version
	s.changes = append(s.changes, change{s.version, kind, key, object})
	close(s.changed)
	s.changed = make(chan struct{})
	return version
}

// present returns what there is below a prefix of keys, sorted by key.
func (h *Hostile) present(prefix string) (found []change, version int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, object := range h.store.objects {
		if strings.HasPrefix(key, prefix) {
			found = append(found, change{h.store.version, "ADDED", key, object})
		}
	}
	slices.SortFunc(found, func(a, b change) int { return cmp.Compare(a.key, b.key) })
	return found, h.store.version
}

// after returns what changed below a prefix after a version, which version that
// is up to, and what is closed when there is more. It is false if that version is
// not kept.
func (h *Hostile) after(prefix string, version int) (changes []change, newest int, more <-chan struct{}, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if version < h.store.compacted {
		return nil, 0, nil, false
	}
	for _, c := range h.store.changes {
		if c.version > version && strings.HasPrefix(c.key, prefix) {
			changes = append(changes, c)
		}
	}
	return changes, h.store.version, h.store.changed, true
}
