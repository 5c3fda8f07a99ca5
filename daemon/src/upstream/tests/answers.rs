//! Answers at the limits of what is accepted.

use super::*;

#[tokio::test]
async fn s8_an_answer_of_256_header_lines_is_taken_and_one_of_257_is_malformed() {
    for lines in [256, 257] {
        let server = Server::bind("http/1.1").await;
        let (upstream, origin) = (server.upstream(), server.origin());
        let answering = tokio::spawn(async move {
            let mut stream = server.accept().await;
            read_until(&mut stream, "\r\n\r\n").await;
            let mut answer = String::from("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
            for n in 1..lines {
                answer += &format!("X-{n}: y\r\n");
            }
            answer += "\r\n";
            // The connection may be closed before the end of an answer that exceeds the limit.
            let _cut = stream.write_all(answer.as_bytes()).await;
        });
        let post = request(Method::POST, "/").body(Body::empty()).unwrap();
        let mut outgoing = Outgoing::new(post, origin.clone(), Credential::Injected);
        match upstream.send(&mut outgoing, None).await {
            Ok(answer) => assert_eq!((answer.headers().len(), lines), (256, 256)),
            Err(failure) => {
                assert_eq!(lines, 257, "{failure:?}");
                assert!(
                    matches!(failure, UpstreamError::Malformed(_)),
                    "{failure:?}"
                );
                assert_eq!(failure.refusal(&origin).status(), 502);
            }
        }
        answering.await.unwrap();
    }
}
