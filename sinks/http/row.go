package httpsink

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/fairlead-dev/fairlead/internal/jsontext"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// row appends the members of a JSON object one after the other.
type row []byte

// name appends the name of a member, and what separates it from the one before.
func (r row) name(name string) row {
	if r[len(r)-1] != '{' {
		r = append(r, ',')
	}
	r = append(r, '"')
	r = append(r, name...)
	return append(r, '"', ':')
}

// text appends a member, unless the value is empty.
func (r row) text(name, value string) row {
	if value == "" {
		return r
	}
	return jsontext.AppendString(r.name(name), value)
}

func (r row) number(name string, value uint64) row {
	return strconv.AppendUint(r.name(name), value, 10)
}

func (r row) flag(name string, value bool) row {
	if !value {
		return r
	}
	return append(r.name(name), "true"...)
}

func (r row) time(name string, value time.Time) row {
	if value.IsZero() {
		return r
	}
	r = append(r.name(name), '"')
	r = value.UTC().AppendFormat(r, time.RFC3339Nano)
	return append(r, '"')
}

// rowNames are the members that a row has, but for the time and the object.
var rowNames = []string{
	"id", "op", "cluster", "cluster_uid", "resource", "api_version", "kind", "namespace", "name", "uid", "resource_version",
	"term", "sequence", "snapshot", "tombstone",
}

// members appends what columns and fields of logs have in common: all of a change but
// the time and the object: rowNames.
func (r row) members(c *pipeline.Change) row {
	r = r.text("id", c.ID()).text("op", c.Op.String()).text("cluster", c.Key.Cluster).text("cluster_uid", c.Origin.ClusterUID).
		text("resource", c.Key.Resource).text("api_version", c.Origin.Resource.GroupVersion().String()).text("kind", c.Origin.Kind).
		text("namespace", c.Key.Namespace).text("name", c.Key.Name).text("uid", string(c.UID)).text("resource_version", c.ResourceVersion)
	if c.Sequence != 0 {
		r = r.number("term", c.Origin.Term).number("sequence", c.Sequence)
	}
	return r.flag("snapshot", c.Snapshot).flag("tombstone", c.Tombstone)
}

// document names the object of a change in a store that has one document for each,
// in at most 512 bytes.
func document(c *pipeline.Change) string {
	id := c.Key.String()
	if len(id) <= 512 {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:])
}

// summary is a line for people.
func summary(c *pipeline.Change) string {
	return c.Op.String() + " " + c.Origin.Kind + " " + c.Key.String()
}
