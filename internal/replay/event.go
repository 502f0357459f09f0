package replay

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Object names one object. A name that is deleted and taken again makes another
// Object, with another UID.
type Object struct {
	Cluster   string
	Resource  string // plural and group: "configmaps", "deployments.apps"
	Namespace string // empty for cluster-scoped objects
	Name      string
	UID       string
}

// String returns "cluster/resource/namespace/name (uid)".
func (o Object) String() string {
	path := []string{o.Cluster, o.Resource, o.Namespace, o.Name}
	if o.Namespace == "" {
		path = []string{o.Cluster, o.Resource, o.Name}
	}
	return strings.Join(path, "/") + " (" + o.UID + ")"
}

// Event is what the check needs of one CloudEvent.
type Event struct {
	Object
	ID              string
	ClusterUID      string
	ResourceVersion string
	Deleted         bool
	Snapshot        bool
	Tombstone       bool
	// Term and Sequence order the events of one name: of 20 digits, or empty.
	Term, Sequence string
	Data           json.RawMessage // the object; nil on a tombstone
}

// line is an event as it is written.
type line struct {
	SpecVersion     string          `json:"specversion"`
	Type            string          `json:"type"`
	Source          string          `json:"source"`
	ID              string          `json:"id"`
	Cluster         string          `json:"cluster"`
	ClusterUID      string          `json:"clusteruid"`
	Namespace       string          `json:"namespace"`
	Name            string          `json:"name"`
	ResourceVersion string          `json:"resourceversion"`
	Term            string          `json:"term"`
	Sequence        string          `json:"sequence"`
	Snapshot        bool            `json:"snapshot"`
	Tombstone       bool            `json:"tombstone"`
	Data            json.RawMessage `json:"data"`
}

var attributes = []string{
	"specversion", "type", "source", "subject", "id", "time", "datacontenttype", "cluster", "clusteruid", "apiversion", "kind", "namespace",
	"name", "resourceversion", "term", "sequence", "snapshot", "tombstone", "data",
}

// Parse reads one line of a sink. It fails on what is no event of Fairlead's, on
// an event that decoders might read differently, and on one whose attributes say
// something else than each other, or than the object in it.
func Parse(text []byte) (Event, error) {
	var l line
	if _, err := members(text, attributes...); err != nil {
		return Event{}, fmt.Errorf("parse event: %w", err)
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return Event{}, fmt.Errorf("parse event: %w", err)
	}
	if l.SpecVersion != "1.0" {
		return Event{}, fmt.Errorf("parse event %q: specversion is %q, want 1.0", l.ID, l.SpecVersion)
	}
	// <group>/<version>/<resource>/<uid>/<resourceVersion>[/deleted][/g<generation>], or
	// .../deleted as it was before there were generations.
	id := strings.SplitN(l.ID, "/", 5)
	if len(id) != 5 || id[3] == "" || id[4] == "" {
		return Event{}, fmt.Errorf("parse event: id %q is not group/version/resource/uid/version", l.ID)
	}
	id[3] = strings.NewReplacer("%2F", "/", "%25", "%").Replace(id[3])
	if l.Source != "/clusters/"+url.PathEscape(l.Cluster) {
		return Event{}, fmt.Errorf("parse event %q: source %q is not that of cluster %q", l.ID, l.Source, l.Cluster)
	}
	e := Event{
		Object:          Object{Cluster: l.Cluster, Resource: id[2], Namespace: l.Namespace, Name: l.Name, UID: id[3]},
		ID:              l.ID,
		ClusterUID:      l.ClusterUID,
		ResourceVersion: l.ResourceVersion,
		Snapshot:        l.Snapshot,
		Tombstone:       l.Tombstone,
		Term:            l.Term,
		Sequence:        l.Sequence,
		Data:            l.Data,
	}
	if id[0] != "" {
		e.Resource += "." + id[0]
	}
	switch l.Type {
	case "dev.fairlead.resource.deleted.v1":
		e.Deleted = true
	case "dev.fairlead.resource.added.v1", "dev.fairlead.resource.updated.v1":
	default:
		return Event{}, fmt.Errorf("parse event %q: type is %q", l.ID, l.Type)
	}
	if e.Cluster == "" || e.Name == "" {
		return Event{}, fmt.Errorf("parse event %q: no cluster or no name", l.ID)
	}
	want := regexp.QuoteMeta(strings.NewReplacer("/", "%2F", "%", "%25").Replace(e.ResourceVersion))
	if e.Deleted {
		if want != "" {
			want += "/"
		}
		want = "(deleted|" + want + "deleted(/g[1-9][0-9]*)?)"
	} else {
		want = "(" + regexp.QuoteMeta(e.ResourceVersion) + "|" + want + "(/g[1-9][0-9]*)?)"
	}
	if ok, err := regexp.MatchString("^"+want+"$", id[4]); !ok || err != nil {
		return Event{}, fmt.Errorf("parse event: id %q does not end like an event of type %s and version %q", l.ID, l.Type, e.ResourceVersion)
	}
	for _, ordinal := range []string{l.Term, l.Sequence} {
		if ordinal != "" && (len(ordinal) != 20 || strings.Trim(ordinal, "0123456789") != "") {
			return Event{}, fmt.Errorf("parse event %q: %q is not a number of 20 digits", l.ID, ordinal)
		}
	}
	return e, e.checkData()
}

// checkData fails if the object is another one than the attributes say, or
// another version of it.
func (e *Event) checkData() error {
	if e.Data == nil {
		if !e.Tombstone {
			return fmt.Errorf("parse event %q: no object in it, and no tombstone", e.ID)
		}
		return nil
	}
	var object struct {
		Metadata struct {
			Name            string `json:"name"`
			Namespace       string `json:"namespace"`
			UID             string `json:"uid"`
			ResourceVersion string `json:"resourceVersion"`
		} `json:"metadata"`
	}
	parts, err := members(e.Data, "kind", "apiVersion", "metadata")
	if err == nil {
		_, err = members(parts["metadata"], "name", "namespace", "uid", "resourceVersion")
	}
	if err != nil {
		return fmt.Errorf("parse event %q: its object: %w", e.ID, err)
	}
	if err := json.Unmarshal(e.Data, &object); err != nil {
		return fmt.Errorf("parse event %q: its object: %w", e.ID, err)
	}
	m := object.Metadata
	if m.Name != e.Name || m.Namespace != e.Namespace || m.UID != e.UID || m.ResourceVersion != e.ResourceVersion {
		return fmt.Errorf("parse event %q: it holds version %s of %s/%s (%s)", e.ID, m.ResourceVersion, m.Namespace, m.Name, m.UID)
	}
	return nil
}

// members returns the members of text, which is one JSON object in UTF-8. It
// fails if a name stands there twice, or differs from one of words by its
// capitals only: encoding/json, for one, takes these for the same.
func members(text []byte, words ...string) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if open, err := d.Token(); err != nil {
		return nil, err
	} else if open != json.Delim('{') {
		return nil, errors.New("it is no JSON object")
	}
	all := map[string]json.RawMessage{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
		name, _ := token.(string)
		_, again := all[name]
		if again || slices.ContainsFunc(words, func(word string) bool { return name != word && strings.EqualFold(name, word) }) {
			return nil, fmt.Errorf("it has %q twice", name)
		}
		all[name] = value
	}
	return all, nil
}

// Lines cuts what a sink has written into lines, as it comes. A line that has no
// end yet, because the sink is writing it or was killed while it did, is kept for
// the next call and never an event.
type Lines struct {
	partial []byte
}

// Read calls each with every whole line up to the end of r. The line is valid
// during the call only.
func (l *Lines) Read(r io.Reader, each func(line []byte) error) error {
	buffered := bufio.NewReader(r)
	for {
		text, err := buffered.ReadBytes('\n')
		l.partial = append(l.partial, text...)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read events: %w", err)
		}
		whole := l.partial
		l.partial = l.partial[:0]
		if err := each(whole); err != nil {
			return err
		}
	}
}
