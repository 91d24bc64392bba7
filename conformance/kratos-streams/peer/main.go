// A peer in Go that streams as Go Kratos 3 does: with net/http, with the WebSocket library that Kratos uses, and with the frames
// of reference section 10.6. As a server it prints its address and ends with its standard input; as a client it prints what it saw.
//
//	peer serve
//	peer watch URL             reads server-sent events
//	peer talk URL MESSAGE...   sends messages over a WebSocket, ends its side, and reads
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/gorilla/websocket"
)

const (
	controlEnd   = "\x1eend"
	controlError = "\x1eerror:"
)

func main() {
	switch args := os.Args[1:]; args[0] {
	case "serve":
		serve()
	case "watch":
		watch(args[1])
	case "talk":
		talk(args[1], args[2:])
	}
}

type note struct {
	Text string `json:"text"`
}

type failure struct {
	Code     int               `json:"code"`
	Reason   string            `json:"reason"`
	Message  string            `json:"message"`
	Metadata map[string]string `json:"metadata"`
}

func (f failure) Error() string {
	return fmt.Sprintf("error: code = %d reason = %s message = %s metadata = %v cause = %v", f.Code, f.Reason, f.Message, f.Metadata, nil)
}

var noTopic = failure{404, "NO_TOPIC", "no topic", map[string]string{"topic": "a b"}}

func serve() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/topics/{topic}/notes", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("topic") == "none" {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(noTopic.Code)
			_ = json.NewEncoder(w).Encode(noTopic)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Connection", "keep-alive")
		w.Header().Set("X-Accel-Buffering", "no")
		for _, text := range []string{"1", r.PathValue("topic"), r.Header.Get("Accept")} {
			writeEvent(w, "message", note{text})
		}
		if r.URL.Query().Get("text") == "fail" {
			writeEvent(w, "error", noTopic)
		}
	})
	upgrader := websocket.Upgrader{}
	mux.HandleFunc("GET /v1/topics/{topic}/chat", func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			_, data, err := conn.ReadMessage()
			if err != nil {
				return
			}
			if string(data) == controlEnd {
				_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""))
				return
			}
			var asked struct {
				Note note `json:"note"`
			}
			if err := json.Unmarshal(data, &asked); err != nil || asked.Note.Text == "fail" {
				_ = conn.WriteMessage(websocket.TextMessage, []byte(controlError+noTopic.Error()))
				_ = conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(websocket.CloseInternalServerErr, noTopic.Message))
				return
			}
			reply, _ := json.Marshal(asked.Note)
			_ = conn.WriteMessage(websocket.TextMessage, reply)
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Printf("http://%s\n", listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	panic(http.Serve(listener, mux))
}

func writeEvent(w http.ResponseWriter, name string, value any) {
	data, _ := json.Marshal(value)
	fmt.Fprintf(w, "event: %s\ndata: %s\n\n", name, data)
	w.(http.Flusher).Flush()
}

// Prints status and content type, then each event that Kratos 3 would look at: its name, or message, and its data.
func watch(url string) {
	request, _ := http.NewRequest(http.MethodGet, url, nil)
	request.Header.Set("Accept", "text/event-stream, application/protojson")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		fmt.Println("failed:", err)
		return
	}
	defer response.Body.Close()
	fmt.Println(response.StatusCode, response.Header.Get("Content-Type"))
	scanner := bufio.NewScanner(response.Body)
	scanner.Buffer(nil, 1<<20)
	event, data := "", []string{}
	for scanner.Scan() {
		switch line := scanner.Text(); {
		case strings.HasPrefix(line, "event:"):
			event = strings.TrimSpace(line[len("event:"):])
		case strings.HasPrefix(line, "data:"):
			data = append(data, strings.TrimPrefix(line[len("data:"):], " "))
		case line == "":
			if event == "" && len(data) > 0 {
				event = "message"
			}
			if event == "message" || event == "error" {
				fmt.Println(event, strings.Join(data, "\n"))
			}
			event, data = "", nil
		}
	}
}

// Prints each message, and how the stream ended: eof, or the error that Kratos 3 would tell.
func talk(url string, messages []string) {
	conn, response, err := websocket.DefaultDialer.Dial(url, http.Header{"Accept": {"application/protojson"}})
	if err != nil {
		body := []byte{}
		if response != nil {
			body, _ = io.ReadAll(response.Body)
		}
		fmt.Println("refused", string(body))
		return
	}
	defer conn.Close()
	for _, message := range append(messages, controlEnd) {
		_ = conn.WriteMessage(websocket.TextMessage, []byte(message))
	}
	for {
		_, data, err := conn.ReadMessage()
		switch text := string(data); {
		case websocket.IsCloseError(err, websocket.CloseNormalClosure, websocket.CloseGoingAway):
			fmt.Println("eof")
			return
		case err != nil:
			fmt.Println("failed:", err)
			return
		case strings.HasPrefix(text, controlError):
			fmt.Println("error", strings.TrimPrefix(text, controlError))
			return
		default:
			fmt.Println("message", text)
		}
	}
}
