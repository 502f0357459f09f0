package httpsink

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// maxRendered bounds what a template writes for one change, in bytes.
const maxRendered = 32 << 20

// templated sends what a template writes.
func templated(o *Options) (*wire, error) {
	parsed, err := template.New("template").Funcs(functions).Parse(o.Template)
	if err != nil {
		return nil, fmt.Errorf("parse the template: %w", err)
	}
	w := &wire{contentType: "application/json"}
	switch o.Join {
	case JoinNone:
		w.single = true
	case JoinArray:
		w.open, w.between, w.end = "[", ",", "]"
	case JoinNDJSON:
		w.contentType = "application/x-ndjson"
	case JoinConcat:
	default:
		return nil, fmt.Errorf("join %q is none of none, array, ndjson, concat", o.Join)
	}
	if o.Success != "" || o.Items != "" {
		w.verdict = answerCheck(o.Success, o.Items, o.ItemStatus, o.Permanent)
	}
	w.append = renderer(parsed, o.Join, cmp.Or(o.ContentType, w.contentType))
	for _, c := range samples() {
		if _, err := w.append(nil, c); err != nil {
			return nil, fmt.Errorf("try the template on a sample, %s: %w", summary(c), err)
		}
	}
	return w, nil
}

var errNoValue = errors.New("what the template writes is not one value of JSON; write names and other texts with quote or toJson")

// renderer returns what appends the text of a change. Where that is to be JSON it has to
// be: a name that the template does not quote could add members, and in a body with
// several texts one would break the others.
func renderer(t *template.Template, join Join, contentType string) func([]byte, *pipeline.Change) ([]byte, error) {
	value, lines := jsonOf(contentType)
	return func(dst []byte, c *pipeline.Change) ([]byte, error) {
		out := &bounded{left: maxRendered}
		if err := t.Execute(out, &view{change: c}); err != nil {
			return nil, err // of the template's text; it quotes no value
		}
		text := out.Bytes()
		switch {
		case join == JoinArray || join == JoinNDJSON:
			if text = bytes.TrimSpace(text); !json.Valid(text) {
				return nil, errNoValue
			}
			dst = jsontext.AppendOneLine(dst, text)
			if join == JoinNDJSON {
				dst = append(dst, '\n')
			}
			return dst, nil
		case value && !json.Valid(text):
			return nil, errNoValue
		case lines:
			for line := range bytes.Lines(text) {
				if line = bytes.TrimSpace(line); len(line) > 0 && !json.Valid(line) {
					return nil, errors.New("a line that the template writes is not one value of JSON; write names and other texts with quote or toJson")
				}
			}
		}
		return append(dst, text...), nil
	}
}

// jsonOf reports whether a Content-Type is that of a value of JSON, or of lines of it.
func jsonOf(contentType string) (value, lines bool) {
	name, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch name = strings.TrimSpace(name); name {
	case "application/x-ndjson", "application/jsonl", "application/stream+json":
		return false, true
	}
	return name == "application/json" || name == "text/json" || strings.HasSuffix(name, "+json"), false
}

// bounded is a buffer that takes so many bytes.
type bounded struct {
	bytes.Buffer
	left int
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, fmt.Errorf("the template writes more than %d bytes", maxRendered)
	}
	return b.Buffer.Write(p)
}

// samples are an object, and one that is deleted and not known any more.
func samples() []*pipeline.Change {
	origin := &pipeline.Origin{
		Cluster: "sample", ClusterUID: "5f7e6c4a-0000-4000-8000-000000000000", Kind: "Deployment", Namespaced: true, Term: 1,
		Resource: schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"},
	}
	c := pipeline.Change{
		Key:    pipeline.Key{Cluster: "sample", Resource: "deployments.apps", Namespace: "default", Name: `sample "name"`},
		Origin: origin, Op: pipeline.Added, UID: "5f7e6c4a-0000-4000-8000-000000000001", ResourceVersion: "42",
		Observed: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Sequence: 1,
		Object: []byte(`{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"sample \"name\"","namespace":"default","labels":{"app":"sample"}},"spec":{"replicas":1}}`),
	}
	gone := c
	gone.Op, gone.Object, gone.Tombstone = pipeline.Deleted, nil, true
	return []*pipeline.Change{&c, &gone}
}
