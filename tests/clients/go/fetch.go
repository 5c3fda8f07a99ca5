// One request with Go's net/http: fetch GET URL, fetch POST URL TYPE FILE. The body goes to standard
// output.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	method, url := os.Args[1], os.Args[2]
	var file io.Reader
	if method == "POST" {
		opened, err := os.Open(os.Args[4])
		check(err)
		file = opened
	}
	request, err := http.NewRequest(method, url, file)
	check(err)
	if os.Getenv("CREDENTIAL") == "bearer" {
		request.Header.Set("Authorization", "Bearer "+os.Getenv("TOKEN"))
	} else {
		request.SetBasicAuth("me@example.com/token", os.Getenv("TOKEN"))
	}
	if method == "POST" {
		request.Header.Set("Content-Type", os.Args[3])
	}
	answer, err := http.DefaultClient.Do(request)
	check(err)
	if answer.StatusCode >= 300 {
		io.Copy(os.Stderr, answer.Body)
		check(fmt.Errorf("%s", answer.Status))
	}
	_, err = io.Copy(os.Stdout, answer.Body)
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
