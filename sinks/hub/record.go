package hub

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-dev/fairlead/pipeline"
	"github.com/fairlead-dev/fairlead/sinks"
)

const (
	// group and version are those of records.
	group, version = "records.fairlead.dev", "v1alpha1"
	// own is the resource of records, as in [pipeline.Key].
	own = "records." + group
	// crdName is the name of their CustomResourceDefinition.
	crdName = own
	// fieldManager is who writes them.
	fieldManager = "fairlead"
)

// The labels of a record. They have no prefix, so that one can type them: the records
// are Fairlead's, and nobody else labels them.
const (
	labelCluster, labelResource, labelNamespace = "cluster", "resource", "namespace"
	// labelDeleted marks the record of an object that is gone.
	labelDeleted = "deleted"
)

//go:embed crd.yaml
var crd []byte

// CRD returns the CustomResourceDefinition of records, as YAML: what install=true applies.
func CRD() []byte { return append([]byte(nil), crd...) }

// record is one object of a member, as it is stored in the hub.
type record struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   recordMeta `json:"metadata"`
	Spec       recordSpec `json:"spec"`
}

// recordMeta is what Fairlead sets and reads of a record's metadata.
type recordMeta struct {
	Name            string            `json:"name"`
	UID             types.UID         `json:"uid,omitempty"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
}

// recordSpec is what a record says. The fields are described in its CRD.
type recordSpec struct {
	Cluster         string           `json:"cluster"`
	ClusterUID      string           `json:"clusterUID,omitempty"`
	Resource        string           `json:"resource"`
	APIVersion      string           `json:"apiVersion,omitempty"`
	Kind            string           `json:"kind,omitempty"`
	Namespace       string           `json:"namespace,omitempty"`
	Name            string           `json:"name"`
	UID             types.UID        `json:"uid,omitempty"`
	ResourceVersion string           `json:"resourceVersion,omitempty"`
	Term            pipeline.Ordinal `json:"term"`
	Sequence        pipeline.Ordinal `json:"sequence"`
	Observed        time.Time        `json:"observed,omitzero"`
	Deleted         time.Time        `json:"deleted,omitzero"`
	Object          json.RawMessage  `json:"object,omitempty"`
}

// key returns what the record is about.
func (s *recordSpec) key() pipeline.Key {
	return pipeline.Key{Cluster: s.Cluster, Resource: s.Resource, Namespace: s.Namespace, Name: s.Name}
}

// held returns the record as what a destination has of an object.
func (s *recordSpec) held(full bool) sinks.Held {
	h := sinks.Held{Key: s.key(), UID: s.UID, ResourceVersion: s.ResourceVersion, Term: uint64(s.Term), Sequence: uint64(s.Sequence)}
	if full {
		h.Object = s.Object
	}
	return h
}

// RecordName returns the name of the record of an object: 32 hexadecimal digits, because
// the names of objects hold what no name of a custom resource may, and are longer.
func RecordName(k pipeline.Key) string {
	hash := sha256.New()
	for _, part := range []string{k.Cluster, k.Resource, k.Namespace, k.Name} {
		// The lengths keep apart what has other parts and the same text.
		_, _ = hash.Write(binary.AppendUvarint(nil, uint64(len(part))))
		_, _ = hash.Write([]byte(part))
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// LabelValue returns the value of the label for a text: the text, or where it cannot be
// one, "sha256-" and the first 32 hexadecimal digits of that hash.
func LabelValue(text string) string {
	if len(validation.IsValidLabelValue(text)) == 0 {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + hex.EncodeToString(sum[:16])
}

// selector returns the labels that all records of a resource of a cluster have.
func selector(cluster, resource string) string {
	return strings.Join([]string{labelCluster + "=" + LabelValue(cluster), labelResource + "=" + LabelValue(resource), "!" + labelDeleted}, ",")
}
