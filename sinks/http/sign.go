package httpsink

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

// sign sets the headers of Standard Webhooks 1.0.0:
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
//
// The id is a hash of the events' sources and ids: those may hold full stops, which
// separate what is signed, and whatever a member wants. So it stays the same for as long
// as the same changes are sent together.
func sign(h http.Header, signers [][]byte, changes []*pipeline.Change, body []byte, now time.Time) {
	parts := make([]string, 0, 2*len(changes))
	for _, c := range changes {
		parts = append(parts, c.Source(), c.ID())
	}
	id, timestamp := messageID(parts...), strconv.FormatInt(now.Unix(), 10)
	signatures := make([]string, len(signers))
	for i, key := range signers {
		signatures[i] = signature(key, id, timestamp, body)
	}
	h["Webhook-Id"] = []string{id}
	h["Webhook-Timestamp"] = []string{timestamp}
	h["Webhook-Signature"] = []string{strings.Join(signatures, " ")}
}

// signature signs with one secret.
func signature(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
