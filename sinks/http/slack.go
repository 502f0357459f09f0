package httpsink

import (
	"strings"

	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// slackEscaper escapes what Slack's markup begins with:
// https://docs.slack.dev/messaging/formatting-message-text#escaping
var slackEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// slack sends a message for each change. It names the object and holds nothing of it.
func slack() *wire {
	return &wire{
		single: true, contentType: "application/json",
		append: func(dst []byte, c *pipeline.Change) ([]byte, error) {
			text := slackEscaper.Replace(redact.Line(summary(c), 2000))
			return append(row(append(dst, '{')).text("text", text), '}'), nil
		},
	}
}
