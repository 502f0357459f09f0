package memberstatus

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"regexp"
	"strings"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

const (
	group, version, kind = "fairlead.dev", "v1alpha1", "MemberCluster"
	plural               = "memberclusters"
	fieldManager         = "fairlead"

	// labelManaged marks the objects that are this program's.
	labelManaged, managed = "app.kubernetes.io/managed-by", "fairlead"
	// labelCluster has the member's name where a label can have it.
	labelCluster = group + "/member"
)

// The bounds of what an object holds: bytes of a text, and routes.
const (
	maxText   = 512
	maxRoutes = 64
)

//go:embed crd.yaml
var crd []byte

// CRD returns the CustomResourceDefinition of MemberCluster, as YAML.
func CRD() []byte { return append([]byte(nil), crd...) }

// Member is what there is to tell of one member.
type Member struct {
	Name   string  // in the fleet
	Status *Status // nil: not known yet; what is there stays
	// Starting is whether Status is only that the member has not been heard of yet. It is
	// written where nothing is: what was known of before stays meanwhile.
	Starting bool
}

// Status is where a member stands. New shortens what is too long.
type Status struct {
	State         string             `json:"state,omitempty"`
	Reason        string             `json:"reason,omitempty"`
	UID           string             `json:"uid,omitempty"`
	ServerVersion string             `json:"serverVersion,omitempty"`
	Source        string             `json:"source,omitempty"`
	Attempt       int                `json:"attempt"`
	NextRetry     *metav1.Time       `json:"nextRetry,omitempty"`
	Streams       Streams            `json:"streams"`
	Routes        []Route            `json:"routes,omitempty"` // each once
	Conditions    []metav1.Condition `json:"conditions,omitempty"`
}

// Streams are counts of a member's watches.
type Streams struct {
	Live int `json:"live"`
	All  int `json:"all"`
}

// Route is one sink of a member's changes.
type Route struct {
	Name   string `json:"name"`
	InStep bool   `json:"inStep"`
}

// object is a MemberCluster.
type object struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   objectMeta `json:"metadata"`
	Spec       *spec      `json:"spec,omitempty"`
	Status     *Status    `json:"status,omitempty"`
}

type objectMeta struct {
	Name            string            `json:"name,omitempty"`
	UID             types.UID         `json:"uid,omitempty"`
	ResourceVersion string            `json:"resourceVersion,omitempty"`
	Labels          map[string]string `json:"labels,omitempty"`
}

type spec struct {
	Cluster string `json:"cluster"`
}

// escaped is how names end that were made.
var escaped = regexp.MustCompile(`-x[0-9a-f]{32}$`)

// ObjectName returns the name of the object of a cluster: the cluster's own where that is
// the name of an object, and else what is left of it, "-x" and 32 hexadecimal digits of
// its SHA-256. No two clusters have one name: a cluster whose own name looks as if it was
// made gets a made one too.
func ObjectName(cluster string) string {
	if len(validation.IsDNS1123Subdomain(cluster)) == 0 && !escaped.MatchString(cluster) {
		return cluster
	}
	const most = 63 // of what is left
	var b strings.Builder
	for _, r := range strings.ToLower(cluster) {
		if b.Len() == most {
			break
		}
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if b.Len() > 0 && !strings.HasSuffix(b.String(), "-") {
			b.WriteByte('-')
		}
	}
	readable := strings.TrimSuffix(b.String(), "-")
	if readable == "" {
		readable = "cluster"
	}
	sum := sha256.Sum256([]byte(cluster))
	return readable + "-x" + hex.EncodeToString(sum[:16])
}

// newObject returns what is created for a cluster.
func newObject(cluster string) object {
	o := object{
		APIVersion: group + "/" + version, Kind: kind,
		Metadata: objectMeta{Name: ObjectName(cluster), Labels: map[string]string{labelManaged: managed}},
		Spec:     &spec{cluster},
	}
	if len(validation.IsValidLabelValue(cluster)) == 0 {
		o.Metadata.Labels[labelCluster] = cluster
	}
	return o
}

// bounded returns s with its texts cut. It shares nothing that is changed.
func (s *Status) bounded() *Status {
	b := *s
	for _, text := range []*string{&b.State, &b.Reason, &b.UID, &b.ServerVersion, &b.Source} {
		*text = redact.Line(*text, maxText)
	}
	b.Routes, b.Conditions = nil, nil
	for _, r := range s.Routes[:min(len(s.Routes), maxRoutes)] {
		b.Routes = append(b.Routes, Route{redact.Line(r.Name, maxText), r.InStep})
	}
	for _, c := range s.Conditions {
		c.Message = redact.Line(c.Message, 2*maxText)
		b.Conditions = append(b.Conditions, c)
	}
	return &b
}

// since returns s with the transition times of before, of conditions whose status is the
// same. It reports whether one is not.
func (s *Status) since(before *Status) (_ *Status, turned bool) {
	merged := *s
	merged.Conditions = nil
	if before != nil {
		for _, c := range before.Conditions {
			if apimeta.FindStatusCondition(s.Conditions, c.Type) != nil {
				merged.Conditions = append(merged.Conditions, c)
			}
		}
	}
	for _, c := range s.Conditions {
		was := apimeta.FindStatusCondition(merged.Conditions, c.Type)
		turned = turned || was == nil || was.Status != c.Status
		apimeta.SetStatusCondition(&merged.Conditions, c)
	}
	return &merged, turned || before == nil
}

// text returns what is compared: s as it is stored.
func (s *Status) text() string {
	text, err := json.Marshal(s)
	if err != nil {
		return "" // it has no type that fails
	}
	return string(text)
}
