package httpsink

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"
	"time"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// view is what a template is given: {{.Name}} and so on. Everything in it is a member's
// choice, so that a template writes it with toJson or quote.
type view struct {
	change *pipeline.Change
	object map[string]any // decoded when it is needed
}

func (v *view) ID() string              { return v.change.ID() }
func (v *view) Source() string          { return v.change.Source() }
func (v *view) Op() string              { return v.change.Op.String() } // added, updated or deleted
func (v *view) Cluster() string         { return v.change.Key.Cluster }
func (v *view) ClusterUID() string      { return v.change.Origin.ClusterUID }
func (v *view) Resource() string        { return v.change.Key.Resource } // deployments.apps
func (v *view) APIVersion() string      { return v.change.Origin.Resource.GroupVersion().String() }
func (v *view) Kind() string            { return v.change.Origin.Kind }
func (v *view) Namespace() string       { return v.change.Key.Namespace }
func (v *view) Name() string            { return v.change.Key.Name }
func (v *view) UID() string             { return string(v.change.UID) }
func (v *view) ResourceVersion() string { return v.change.ResourceVersion }
func (v *view) Term() uint64            { return v.change.Origin.Term }
func (v *view) Sequence() uint64        { return v.change.Sequence }
func (v *view) Snapshot() bool          { return v.change.Snapshot }
func (v *view) Tombstone() bool         { return v.change.Tombstone }
func (v *view) Summary() string         { return summary(v.change) }
func (v *view) Document() string        { return document(v.change) } // the object's key, in 512 bytes at most
func (v *view) Observed() time.Time     { return v.change.Observed.UTC() }

// Event is the CloudEvent, as JSON.
func (v *view) Event() string { return string(v.change.AppendCloudEvent(nil)) }

// JSON is the object as JSON, on one line, and null if there is none.
func (v *view) JSON() string {
	if v.change.Object == nil {
		return "null"
	}
	return string(jsontext.AppendOneLine(nil, v.change.Object))
}

// Object is the object, decoded. Of a deletion it may be empty.
func (v *view) Object() (map[string]any, error) {
	if v.object != nil || v.change.Object == nil {
		return v.object, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(v.change.Object))
	decoder.UseNumber()
	if err := decoder.Decode(&v.object); err != nil {
		return nil, fmt.Errorf("decode the object: %w", err)
	}
	return v.object, nil
}

// Get is what stands in the object at a path: {{.Get "metadata" "labels" "app"}}. It is
// empty where there is nothing.
func (v *view) Get(path ...string) (any, error) {
	object, err := v.Object()
	if err != nil {
		return nil, err
	}
	var at any = object
	for _, name := range path {
		members, _ := at.(map[string]any)
		if at = members[name]; at == nil {
			return "", nil
		}
	}
	return at, nil
}

// functions are what a template can call, beside those of text/template.
var functions = template.FuncMap{
	// toJson is a value as JSON. It has no HTML escapes, and is one line.
	"toJson": func(value any) (string, error) {
		var b strings.Builder
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(value); err != nil {
			return "", err
		}
		return strings.TrimSuffix(b.String(), "\n"), nil
	},
	// quote is a value as a JSON string.
	"quote":    func(value any) string { return string(jsontext.AppendString(nil, fmt.Sprint(value))) },
	"lower":    strings.ToLower,
	"upper":    strings.ToUpper,
	"replace":  func(from, to, in string) string { return strings.ReplaceAll(in, from, to) },
	"contains": func(part, in string) bool { return strings.Contains(in, part) },
	"sha256": func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return hex.EncodeToString(sum[:])
	},
	"unixNano":  func(t time.Time) int64 { return t.UnixNano() },
	"unixMilli": func(t time.Time) int64 { return t.UnixMilli() },
}
