package app

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/pipeline/selection"
)

// filterInput is one state of an object, or its deletion, as it stands in a file.
type filterInput struct {
	cluster   string // empty: not said
	gvk       schema.GroupVersionKind
	resource  schema.GroupVersionResource
	namespace string
	name, uid string
	op        selection.Op // 0: added or updated, as it may be
	snapshot  bool
	object    []byte // nil: a deletion without the object
}

// filterInputs reads what Fairlead, API servers and kubectl write: events, objects,
// lists of objects, and frames of a watch, as JSON, one after the other, or as YAML.
// After an error nothing follows.
func filterInputs(r io.Reader) iter.Seq2[filterInput, error] {
	return func(yield func(filterInput, error) bool) {
		next := filterDocuments(r)
		for n := 1; ; n++ {
			text, err := next()
			if errors.Is(err, io.EOF) {
				return
			}
			var inputs []filterInput
			if err == nil {
				inputs, err = parseFilterInput(text)
			}
			if err != nil {
				yield(filterInput{}, fmt.Errorf("input %d: %w", n, err))
				return
			}
			for _, in := range inputs {
				if !yield(in, nil) {
					return
				}
			}
		}
	}
}

// filterDocuments returns what reads the next JSON value, converted if it is YAML.
func filterDocuments(r io.Reader) func() ([]byte, error) {
	b := bufio.NewReader(r)
	for {
		c, err := b.ReadByte()
		if err != nil || !strings.ContainsRune(" \t\r\n", rune(c)) {
			_ = b.UnreadByte() // nothing at the end
			if err == nil && c != '{' {
				break
			}
			d := json.NewDecoder(b)
			return func() (text []byte, err error) {
				var raw json.RawMessage
				err = d.Decode(&raw)
				return raw, err
			}
		}
	}
	documents := utilyaml.NewYAMLReader(b)
	return func() ([]byte, error) {
		for {
			document, err := documents.Read()
			if err != nil {
				return nil, err
			}
			text, err := utilyaml.ToJSON(document)
			if err != nil || string(text) != "null" {
				return text, err
			}
		}
	}
}

// filterHead is what tells the forms of input apart.
type filterHead struct {
	SpecVersion string            `json:"specversion"`
	Type        string            `json:"type"`
	Object      json.RawMessage   `json:"object"`
	APIVersion  string            `json:"apiVersion"`
	Kind        string            `json:"kind"`
	Items       []json.RawMessage `json:"items"`
	Metadata    struct {
		Namespace string `json:"namespace"`
		Name      string `json:"name"`
		UID       string `json:"uid"`
	} `json:"metadata"`
}

func parseFilterInput(text []byte) ([]filterInput, error) {
	var head filterHead
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, fmt.Errorf("%w; an object or an event is expected", err)
	}
	switch gvk := schema.FromAPIVersionAndKind(head.APIVersion, head.Kind); {
	case head.SpecVersion != "":
		in, err := filterInputOfEvent(text)
		return []filterInput{in}, err
	case head.APIVersion == "" && head.Object != nil:
		in, err := filterInputOfFrame(head)
		return in, err
	case head.Items != nil && strings.HasSuffix(head.Kind, "List"):
		gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
		var inputs []filterInput
		for i, item := range head.Items {
			in, err := filterInputOfObject(item, gvk)
			if err != nil {
				return inputs, fmt.Errorf("item %d: %w", i+1, err)
			}
			in.snapshot = true
			inputs = append(inputs, in)
		}
		return inputs, nil
	}
	in, err := filterInputOfObject(text, schema.GroupVersionKind{})
	return []filterInput{in}, err
}

func filterInputOfEvent(text []byte) (filterInput, error) {
	var line bytes.Buffer
	if err := json.Compact(&line, text); err != nil {
		return filterInput{}, err
	}
	e, err := pipeline.ParseEvent(line.Bytes())
	if err != nil {
		return filterInput{}, err
	}
	in := filterInput{
		cluster: e.Cluster, gvk: schema.FromAPIVersionAndKind(e.APIVersion, e.Kind), resource: e.Resource(),
		namespace: e.Namespace, name: e.Name, uid: e.UID(), snapshot: e.Snapshot, object: e.Data,
	}
	switch e.Op() {
	case pipeline.Deleted:
		in.op = selection.Deleted
	case pipeline.Added:
		in.op = selection.Added
	default:
		in.op = selection.Updated
	}
	return in, nil
}

func filterInputOfFrame(frame filterHead) ([]filterInput, error) {
	op, ok := map[string]selection.Op{"ADDED": selection.Added, "MODIFIED": selection.Updated, "DELETED": selection.Deleted}[frame.Type]
	if !ok {
		if frame.Type == "BOOKMARK" {
			return nil, nil
		}
		return nil, fmt.Errorf("a frame of a watch has the type %.40q; only ADDED, MODIFIED and DELETED are about objects", frame.Type)
	}
	in, err := filterInputOfObject(frame.Object, schema.GroupVersionKind{})
	in.op = op
	return []filterInput{in}, err
}

// filterInputOfObject reads an object. If it does not say what it is, as items of lists
// do not, gvk says it.
func filterInputOfObject(text []byte, gvk schema.GroupVersionKind) (filterInput, error) {
	var head filterHead
	if err := json.Unmarshal(text, &head); err != nil {
		return filterInput{}, err
	}
	if head.Kind != "" {
		gvk = schema.FromAPIVersionAndKind(head.APIVersion, head.Kind)
	}
	if gvk.Version == "" || gvk.Kind == "" || head.Metadata.Name == "" {
		return filterInput{}, errors.New("it has no apiVersion, kind or metadata.name, and is no event of Fairlead, so it is no object")
	}
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return filterInput{
		gvk: gvk, resource: plural, namespace: head.Metadata.Namespace, name: head.Metadata.Name, uid: head.Metadata.UID, object: text,
	}, nil
}
