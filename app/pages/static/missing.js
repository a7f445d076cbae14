import { ready } from "./parts.js";
ready();
