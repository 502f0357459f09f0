package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// maxRequest is the largest request that is sent, in bytes. API servers read no more
// than 3 MiB (MaxRequestBodyBytes in k8s.io/apiserver), and some close the connection at
// a larger one before they have said why.
const maxRequest = 3 << 20

// lastApplied is where kubectl apply keeps a whole object, the data of a Secret too.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

var errNoObject = errors.New("it is no JSON object")

// recordOf returns the record that a change makes.
func recordOf(c *pipeline.Change, full bool, now time.Time) (*record, error) {
	r := &record{
		APIVersion: group + "/" + version, Kind: "Record",
		Metadata: recordMeta{Name: RecordName(c.Key), Labels: map[string]string{
			labelCluster: LabelValue(c.Key.Cluster), labelResource: LabelValue(c.Key.Resource),
		}},
		Spec: recordSpec{
			Cluster: c.Key.Cluster, ClusterUID: c.Origin.ClusterUID, Resource: c.Key.Resource,
			APIVersion: c.Origin.Resource.GroupVersion().String(), Kind: c.Origin.Kind,
			Namespace: c.Key.Namespace, Name: c.Key.Name, UID: c.UID, ResourceVersion: c.ResourceVersion,
			Term: pipeline.Ordinal(c.Origin.Term), Sequence: pipeline.Ordinal(c.Sequence), Observed: c.Observed.UTC(),
		},
	}
	if c.Key.Namespace != "" {
		r.Metadata.Labels[labelNamespace] = LabelValue(c.Key.Namespace)
	}
	if c.Op == pipeline.Deleted {
		r.Metadata.Labels[labelDeleted] = "true"
		r.Spec.Deleted = now.UTC()
		return r, nil
	}
	object := bytes.TrimSpace(c.Object)
	if !bytes.HasPrefix(object, []byte("{")) {
		return nil, errNoObject
	}
	if !full {
		metadata, err := metadataOf(object)
		if err != nil {
			return nil, err
		}
		object = metadata
	}
	r.Spec.Object = object
	return r, nil
}

// metadataOf returns apiVersion, kind and metadata of an object, as a JSON object. It
// leaves out the annotation lastApplied, which holds the rest of the object.
func metadataOf(object []byte) ([]byte, error) {
	var o struct {
		APIVersion json.RawMessage            `json:"apiVersion,omitempty"`
		Kind       json.RawMessage            `json:"kind,omitempty"`
		Metadata   map[string]json.RawMessage `json:"metadata,omitempty"`
	}
	if err := json.Unmarshal(object, &o); err != nil {
		return nil, errNoObject // the error may quote it
	}
	delete(o.Metadata, "managedFields")
	if raw, ok := o.Metadata["annotations"]; ok {
		var annotations map[string]json.RawMessage
		if err := json.Unmarshal(raw, &annotations); err != nil {
			return nil, errors.New("its annotations are no JSON object")
		}
		if _, ok := annotations[lastApplied]; ok {
			delete(annotations, lastApplied)
			text, err := marshal(annotations)
			if err != nil {
				return nil, err
			}
			o.Metadata["annotations"] = text
		}
	}
	return marshal(o)
}

// creation returns the record as it is sent to be created.
func (r *record) creation() ([]byte, error) { return request(r) }

// replacement returns a JSON patch (RFC 6902) that replaces spec and labels of the
// record as a whole. It says nothing of the version that it replaces: the rules of the
// CRD do.
func (r *record) replacement() ([]byte, error) {
	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	return request([]operation{{"add", "/metadata/labels", r.Metadata.Labels}, {"add", "/spec", &r.Spec}})
}

func request(v any) ([]byte, error) {
	body, err := marshal(v)
	if err == nil && len(body) > maxRequest {
		err = fmt.Errorf("its record has %d bytes, and an API server takes no more than %d", len(body), maxRequest)
	}
	return body, err
}

// marshal is json.Marshal, but for characters that only HTML knows.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, errNoObject // the error may quote it
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
