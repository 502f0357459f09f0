package simserver

import (
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// resource is one kind of objects, all of them namespaced.
type resource struct {
	plural, group, kind string
}

// kinds are spelled as their types are, so that typed clients know them.
var kinds = map[string]string{
	"configmaps": "ConfigMap", "secrets": "Secret", "services": "Service", "pods": "Pod", "serviceaccounts": "ServiceAccount",
	"endpoints": "Endpoints", "events": "Event", "persistentvolumeclaims": "PersistentVolumeClaim",
	"deployments.apps": "Deployment", "replicasets.apps": "ReplicaSet", "statefulsets.apps": "StatefulSet", "daemonsets.apps": "DaemonSet",
	"jobs.batch": "Job", "cronjobs.batch": "CronJob", "ingresses.networking.k8s.io": "Ingress",
}

func parseResource(name string) (resource, error) {
	plural, group, grouped := strings.Cut(name, ".")
	if len(validation.IsDNS1035Label(plural)) > 0 || grouped && len(validation.IsDNS1123Subdomain(group)) > 0 {
		return resource{}, fmt.Errorf("resource %q: want a plural name, with .group behind it if it is not of the core group", name)
	}
	kind := kinds[name]
	if kind == "" {
		singular := cmp.Or(strings.TrimSuffix(plural, "s"), plural)
		kind = strings.ToUpper(singular[:1]) + singular[1:]
	}
	return resource{plural: plural, group: group, kind: kind}, nil
}

func (r resource) groupVersion() string {
	if r.group == "" {
		return "v1"
	}
	return r.group + "/v1"
}

const namespaces = 20

// managedFields is what a real server's objects carry and clients drop.
const managedFields = `[{"manager":"kubectl-client-side-apply","operation":"Update","apiVersion":"v1","time":"2026-01-01T00:00:00Z",` +
	`"fieldsType":"FieldsV1","fieldsV1":{"f:data":{".":{},"f:payload":{},"f:revision":{}},"f:metadata":{"f:labels":{".":{},"f:app":{}}}}}]`

// namePrefix is what is before the number in an object's name.
const namePrefix = "object-"

// nameOf returns the name and namespace of an object.
func nameOf(number int) (namespace, name string) {
	return fmt.Sprintf("ns-%02d", number%namespaces), fmt.Sprintf("%s%07d", namePrefix, number)
}

// numberOf undoes nameOf; it is negative for what is no object's name.
func numberOf(namespace, name string) int {
	digits, ok := strings.CutPrefix(name, namePrefix)
	n, err := strconv.Atoi(digits)
	if ns, full := nameOf(n); !ok || err != nil || n < 0 || full != name || namespace != "" && namespace != ns {
		return -1
	}
	return n
}

// uid makes a UID that no other object of the fleet has.
func uid(member, resource, number int, life uint32) string {
	var b [16]byte
	binary.BigEndian.PutUint32(b[0:], uint32(member)*2654435761) // spread over the first digits, still unique
	binary.BigEndian.PutUint16(b[4:], uint16(resource))
	b[6], b[7] = 0x40, byte(life>>16)
	b[8], b[9] = 0x80, byte(life>>8)
	b[10], b[11] = byte(life), byte(number>>32)
	binary.BigEndian.PutUint32(b[12:], uint32(number))
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// metadataKind is what a metadata-only answer calls an object.
const metadataKind = `"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1"`

var padding = strings.Repeat("eHh4", 64) // valid in a Secret too

// appendObject appends an object's JSON.
func (c *collection) appendObject(b []byte, o object, metadataOnly bool) []byte {
	start := len(b)
	namespace, name := nameOf(o.number)
	b = append(b, '{')
	if metadataOnly {
		b = append(b, metadataKind...)
	} else {
		b = append(b, `"kind":"`...)
		b = append(b, c.resource.kind...)
		b = append(b, `","apiVersion":"`...)
		b = append(b, c.resource.groupVersion()...)
		b = append(b, '"')
	}
	b = append(b, `,"metadata":{"name":"`...)
	b = append(b, name...)
	b = append(b, `","namespace":"`...)
	b = append(b, namespace...)
	b = append(b, `","uid":"`...)
	b = append(b, uid(c.member.index, c.index, o.number, o.life)...)
	b = append(b, `","resourceVersion":"`...)
	b = strconv.AppendUint(b, o.version, 10)
	b = append(b, `","creationTimestamp":"2026-01-01T00:00:00Z","labels":{"app":"app-`...)
	b = strconv.AppendInt(b, int64(o.number%50), 10)
	b = append(b, `"},"managedFields":`...)
	b = append(b, managedFields...)
	b = append(b, '}')
	if metadataOnly {
		return append(b, '}')
	}
	b = append(b, `,"data":{"payload":"`...)
	const tail = 3 // "}}
	for room := (c.member.server.o.Size - (len(b) - start) - tail) / 4 * 4; room > 0; {
		n := min(room, len(padding))
		b = append(b, padding[:n]...)
		room -= n
	}
	return append(b, `"}}`...)
}

// appendFrame appends a frame of a watch.
func (c *collection) appendFrame(b []byte, e event, metadataOnly bool) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, e.kind...)
	b = append(b, `","object":`...)
	b = c.appendObject(b, e.object, metadataOnly)
	return append(b, "}\n"...)
}

// appendBookmark appends a frame that tells a version; end marks that the initial
// events are over.
func (c *collection) appendBookmark(b []byte, version uint64, end, metadataOnly bool) []byte {
	kind := fmt.Sprintf(`"kind":"%s","apiVersion":"%s"`, c.resource.kind, c.resource.groupVersion())
	if metadataOnly {
		kind = metadataKind
	}
	b = fmt.Appendf(b, `{"type":"BOOKMARK","object":{%s,"metadata":{"resourceVersion":"%d","creationTimestamp":null`, kind, version)
	if end {
		b = append(b, `,"annotations":{"k8s.io/initial-events-end":"true"}`...)
	}
	return append(b, "}}}\n"...)
}
