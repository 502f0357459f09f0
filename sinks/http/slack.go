package httpsink

import (
	"net/http"
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
		// Slack looks for the webhook, and then finds that there is no message: 400.
		probe: &probe{},
		setup: ofSlack,
	}
}

// ofSlack reads the status of a webhook's answers:
// https://docs.slack.dev/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks
func ofSlack(status int, _ http.Header, _ []byte) string {
	switch status {
	case http.StatusForbidden:
		return "the workspace does not let the webhook post there: ask its administrator"
	case http.StatusNotFound:
		return "there is no such webhook any more, or its channel is gone: make another one, and write its path into path-file"
	case http.StatusGone:
		return "the channel is archived: make a webhook for another one, and write its path into path-file"
	}
	return ""
}
