const http = require("node:http");

http.createServer((_, answer) => answer.end("a page\n")).listen(8000);
