<?php
// One request with PHP's curl: fetch.php GET URL, fetch.php POST URL TYPE FILE. The body goes to
// standard output.

[, $method, $url] = $argv;
$curl = curl_init($url);
$options = [
    CURLOPT_FOLLOWLOCATION => true,
    CURLOPT_RETURNTRANSFER => true,
    CURLOPT_FAILONERROR => false,
];
if (getenv("CREDENTIAL") === "bearer") {
    $options[CURLOPT_HTTPAUTH] = CURLAUTH_BEARER;
    $options[CURLOPT_XOAUTH2_BEARER] = getenv("TOKEN");
} else {
    $options[CURLOPT_USERPWD] = "me@example.com/token:" . getenv("TOKEN");
}
if ($method === "POST") {
    $options[CURLOPT_POSTFIELDS] = file_get_contents($argv[4]);
    $options[CURLOPT_HTTPHEADER] = ["Content-Type: $argv[3]"];
}
curl_setopt_array($curl, $options);
$body = curl_exec($curl);
$status = curl_getinfo($curl, CURLINFO_RESPONSE_CODE);
if ($body === false || $status >= 300) {
    fwrite(STDERR, "$status " . curl_error($curl) . " $body\n");
    exit(1);
}
echo $body;
